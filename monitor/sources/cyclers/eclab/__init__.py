"""Files of EC-Lab and BT-Lab: text (`.mpt`) and binary (`.mpr`)."""
