"""The domain language model of the embedded recogniser: its sentences, and how it is made of them.

sentences    templates and word lists to sentences
ngram        sentences to a back-off n-gram model
training     both, with name lists and pronunciations: what `ctxasr train --part language` does
"""
