"""The living stack beside its plan: who is asked what, what is seen, and what it means.

Engine modules turn a server's answers into values, `processes` and `device_memory` look at this machine, `compare` is
pure and knows neither; docs/verify.md has the rules.
"""
