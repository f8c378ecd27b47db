/* SPDX-License-Identifier: MIT
 *
 * /etc/resolv.conf with anything in it: what is taken is within the limits, and
 * there is always a server to ask.
 */
#include "fuzz.h"

#include "node/names/resolv_conf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1;
    static char path[32];
    static struct resolv_conf c;

    if (file < 0) {
        file = memfd_create("resolv.conf", 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    }
    assert(file >= 0 && ftruncate(file, 0) == 0);
    assert(pwrite(file, data, size, 0) == (ssize_t)size);
    resolv_conf_read(path, &c);
    assert(c.server_count >= 1 && c.server_count <= RESOLV_SERVERS_MAX);
    assert(!c.assumed || c.server_count == 1);
    for (unsigned i = 0; i < c.server_count; i++)
        assert(c.servers[i].ep.port == 53 && c.servers[i].ep.family < FAMILIES);
    assert(c.domain_count <= RESOLV_DOMAINS_MAX);
    for (unsigned i = 0; i < c.domain_count; i++)
        assert(strlen(c.domains[i]) > 0 &&
               strlen(c.domains[i]) < RESOLV_DOMAIN_SIZE);
    assert(c.ndots <= RESOLV_NDOTS_MAX);
    return 0;
}
