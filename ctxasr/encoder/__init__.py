"""The context encoder: a turn's text to a vector, a phrase to a row, their product to a prior.

    tokens       words hashed into buckets: no vocabulary, so every name has a vector
    transformer  the model: turn encoder, running sequence, phrase tower
    tasks        training examples from dialogues: of the data (sgd), of our templates (assistant)
    training     train, write weights and model card; evaluation: figures against baselines
    weights, card  the file with its metadata, and what is to know about it
    adapter      TorchContextEncoder, the port's implementation

Importing this package loads no torch; `adapter` loads it in `TorchContextEncoder.load`.
"""
