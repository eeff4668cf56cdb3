/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_services: see lpp_services.h.
 */
#include "names/lpp_services.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#define NAME_BYTES 32
#define SERVICES_MAX 65536

typedef struct service_t {
    apr_uint16_t port;
    apr_uint16_t udp;
    char name[NAME_BYTES];
} service_t;

/* The services by port, TCP first; in the pool of lpp_services_read. */
static const service_t *services;
static atomic_uint service_count; /* set last */

static int compare(const void *a, const void *b)
{
    const service_t *left = a, *right = b;

    return left->port != right->port ? (left->port < right->port ? -1 : 1)
                                     : (int)left->udp - (int)right->udp;
}

static apr_status_t forget(void *data)
{
    (void)data;
    atomic_store(&service_count, 0);
    return APR_SUCCESS;
}

void lpp_services_read(apr_pool_t *pool)
{
    apr_array_header_t *made = apr_array_make(pool, 512, sizeof(service_t));
    const struct servent *entry;

    setservent(1);
    while (made->nelts < SERVICES_MAX && (entry = getservent()) != NULL) {
        service_t *service;

        if (strcmp(entry->s_proto, "tcp") == 0
            || strcmp(entry->s_proto, "udp") == 0) {
            service = apr_array_push(made);
            service->port = ntohs((apr_uint16_t)entry->s_port);
            service->udp = entry->s_proto[0] == 'u';
            apr_cpystrn(service->name, entry->s_name, NAME_BYTES);
        }
    }
    endservent();
    qsort(made->elts, (size_t)made->nelts, sizeof(service_t), compare);
    services = (const service_t *)made->elts;
    atomic_store(&service_count, (unsigned)made->nelts);
    apr_pool_cleanup_register(pool, NULL, forget, apr_pool_cleanup_null);
}

const char *lpp_services_name(unsigned port, int udp)
{
    unsigned low = 0, high = atomic_load(&service_count);

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const service_t *at = &services[middle];

        if (at->port < port || (at->port == port && at->udp < udp)) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low < atomic_load(&service_count) && services[low].port == port
            && services[low].udp == udp ? services[low].name : "";
}
