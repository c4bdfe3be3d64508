"""Frontend = rendering only: a lab's files and its decided requests → a static page. No rule is held here."""
