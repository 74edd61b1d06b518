"""Convert SYNTHIA-RAND-CITYSCAPES (Ros et al. 2016) to train ids and class statistics.

Reads GT/LABELS/*.png: 16-bit PNG, the first (red) channel is the class.
Usage: python data_scripts/convert_synthia.py --data-root data [--split ...] [--workers 4]
Other sets of the same form with --spec: minisynthia.
"""

import sys

from daformer_lib.data.intake.convert import main

if __name__ == "__main__":
    sys.exit(main("synthia"))
