"""Recordings that were made to do harm, through every command that opens one."""
