"""How fast what runs really is: each engine is asked in its own words, and answers with its own clock where it has one.

Engine modules turn one request into a `Sample` and know nothing of each other; `run` repeats them within a time.
"""
