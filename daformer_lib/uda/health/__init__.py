"""How an adaptation fares, seen without a target label, and what is wrong where something is.

`measures` are numbers of labels and probabilities, `tally` what training steps add up, `look` what
a network thinks of a few target images, `findings` the sentences that follow.
"""
