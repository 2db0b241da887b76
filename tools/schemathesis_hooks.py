"""What Schemathesis does not know by itself: JSON lines go over the wire as the text that they are."""

import schemathesis

schemathesis.serializer.alias("application/x-ndjson", "text/plain")
