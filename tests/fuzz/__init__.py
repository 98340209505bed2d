"""What must hold for whatever bytes a stranger sends; `make fuzz` looks for bytes for which it does not.

`properties.py` says it, `corpus/` keeps the bytes that fuzzing found worth keeping, `test_corpus.py` tries them all.
"""
