//! Facts about the host: processors, memory, NUMA, firmware tables.
