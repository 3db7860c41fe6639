"""Lost slices are asked for again at the producers' resend services."""
