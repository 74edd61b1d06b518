"""DAFormer course and reproduction kit: unsupervised domain adaptation for semantic segmentation.

Paper: Hoyer, Dai, Van Gool, "DAFormer: Improving Network Architectures and Training Strategies
for Domain-Adaptive Semantic Segmentation", CVPR 2022, arXiv:2111.14887.
"""

__version__ = "0.1.0"
