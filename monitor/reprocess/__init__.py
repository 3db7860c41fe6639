"""A recorded experiment is measured again."""

from monitor.sources.formats import Software

SOFTWARE = Software("distributed", "`reprocess`", "reprocess")
