"""Convert GTA5 (Richter et al. 2016) to train ids and class statistics.

Reads labels/*.png: palette PNG, the index is the class id.
Usage: python data_scripts/convert_gta.py --data-root data [--split ...] [--workers 4]
Other sets of the same form with --spec: minigta.
"""

import sys

from daformer_lib.data.intake.convert import main

if __name__ == "__main__":
    sys.exit(main("gta"))
