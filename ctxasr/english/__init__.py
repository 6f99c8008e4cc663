"""What people say before anything is heard; English, and nothing of any customer.

    vocabulary    how often words are said, and which are names
    sentences     how likely a sentence is, names and things as classes
    everyday      answers that any question may get

MODEL_CARD.md says how the tables were made.
"""
