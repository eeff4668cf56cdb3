/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_services: names of services by their ports ("postgresql" for 5432), read
 * once at start. No look-up goes to the network later.
 */
#ifndef LPP_SERVICES_H
#define LPP_SERVICES_H

#include "base/lpp_base.h"

/*
 * Read the system's list of services into pool. Forked processes have it, too;
 * it is forgotten when pool is cleared.
 * Signal-safe: no. Thread: parent.
 */
void lpp_services_read(apr_pool_t *pool);

/* The service of a port (host byte order) of TCP, or of UDP if udp is 1; "" if
 * it has no name, or the list was not read.
 * Signal-safe: yes. Thread: any. */
const char *lpp_services_name(unsigned port, int udp);

#endif
