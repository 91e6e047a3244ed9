"""From bytes to messages: JSON, forms, multipart, CloudEvents, within limits. Pure."""
