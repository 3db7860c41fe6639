"""The acquisition of one cell: its scans, extra scans, and the policy that requests them."""
