"""The porous deposit (moss) that grows on charge: its two surfaces, and how much was plated."""
