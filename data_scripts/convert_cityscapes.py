"""Convert Cityscapes (Cordts et al. 2016) to train ids and class statistics.

Reads gtFine/*/*/*_gtFine_labelIds.png.
Usage: python data_scripts/convert_cityscapes.py --data-root data [--split ...] [--workers 4]
Other sets of the same form with --spec: minicityscapes, acdc, darkzurich.
"""

import sys

from daformer_lib.data.intake.convert import main

if __name__ == "__main__":
    sys.exit(main("cityscapes"))
