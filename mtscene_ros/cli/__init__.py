"""The command `mtscene VERB`: one file per verb, with EXAMPLE, add_arguments and run.

What a verb needs to compute is imported when the verb runs, so that `mtscene --help` stays fast.
No other room may import from here.
"""
