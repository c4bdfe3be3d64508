"""Open questions: what is noted when the evaluation comes by one, and when an answer rests on it."""

from __future__ import annotations

from building import DELEGATION, WORKER, allow, decided, deny, grant, key, world

from kmssim.evaluator.questions import OpenQuestions


def test_by_default_every_question_is_read_the_default_way_and_noted():
    questions = OpenQuestions()
    assert questions.other_reading("UN-1") is False
    assert questions.met == {"UN-1"}


def test_only_the_named_questions_are_read_the_other_way():
    questions = OpenQuestions(frozenset({"UN-2"}))
    assert [questions.other_reading(question) for question in ("UN-1", "UN-2")] == [False, True]
    assert questions.met == {"UN-1", "UN-2"}


def test_an_answer_rests_on_a_question_that_turns_it():
    limited = world(key(grants=(grant("Decrypt", to=WORKER),)), boundary=(allow("s3:*"),))
    assert decided(limited).uncertain == ("UN-1",)


def test_an_answer_does_not_rest_on_a_question_that_it_only_came_by():
    denied_anyway = world(key(grants=(grant("Decrypt", to=WORKER),)), boundary=(allow("s3:*"),), mine=(deny(),))
    assert decided(denied_anyway).uncertain == ()
    open_anyway = world(key(*DELEGATION, grants=(grant("Decrypt"),)), mine=(allow(),))
    assert decided(open_anyway).uncertain == ()


def test_several_questions_are_named_in_the_order_of_their_numbers():
    statements = (
        allow(to="*", when={"StringEquals": {"aws:ResourceTag/team": "shop"}}),
        deny(to="*", when={"StringEquals": {"kms:ResourceAliases": "alias/a"}}),
    )
    rests_on = decided(world(key(*statements, tags={"team": "shop"}, aliases=("alias/a",)), boundary=())).uncertain
    assert rests_on == tuple(sorted(rests_on, key=lambda question: int(question[3:])))
    assert {"UN-13", "UN-18"} <= set(rests_on)
    assert rests_on.index("UN-13") < rests_on.index("UN-18")
