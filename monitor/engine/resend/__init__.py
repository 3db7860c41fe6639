"""Requests for lost slices, at the producers' resend services."""
