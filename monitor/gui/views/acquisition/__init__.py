"""The acquisition of one cell: its scans, extra ones, and the policy that asks for them."""
