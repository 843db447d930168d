//! One connection type for both sides: framing, descriptors, calls, streams, events, keepalive.
