//! XDR (RFC 4506) with every length checked before it is believed.
