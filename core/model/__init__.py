"""The network: encoder, decoder, and a linear or neural-process head."""
