"""A world from files that other tools wrote: the AWS CLI, CloudFormation, Terraform. Files only; nothing calls AWS.

One module for each source, and one that gathers (`gather`). Each source says what it found in the words of a scenario
document (`draft`). What it could not make sense of goes onto a list, with the file and the JSON path (`notes`).
"""
