//! What every daemon shares: flags, configuration, sockets, activation, idle exit, admin, logging.
