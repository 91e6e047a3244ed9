"""The services: ingest translates, the segmenter decides, the dispatcher plans and delivers."""
