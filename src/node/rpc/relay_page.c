/* SPDX-License-Identifier: MIT
 *
 * Relays come and go between two pages. Their identities do not change, so a
 * page is what follows an identity in the order of identities: none is left out
 * or told twice but for those that came or went.
 */
#include "node/rpc/relay_page.h"
#include "base/timestamp.h"
#include "node/rpc/rpc_internal.h"

#include <stdlib.h>
#include <string.h>

static void write_roles(struct mp_writer *w, unsigned roles)
{
    static const struct {
        enum descriptor_role role;
        const char *name;
    } names[] = {{ROLE_RELAY, "relay"},
                 {ROLE_EXIT, "exit"},
                 {ROLE_SPEED_TEST, "speedtest"},
                 {ROLE_MEETING, "meeting"}};
    uint32_t count = 0;

    for (size_t i = 0; i < 3; i++)
        count += (roles & names[i].role) != 0;
    mp_write_text(w, "roles");
    mp_write_array(w, count);
    for (size_t i = 0; i < 3; i++) {
        if ((roles & names[i].role) != 0)
            mp_write_text(w, names[i].name);
    }
}

static void write_addresses(struct mp_writer *w, const struct descriptor *d)
{
    char text[ENDPOINT_TEXT_SIZE];

    mp_write_text(w, "addresses");
    mp_write_array(w, d->address_count);
    for (unsigned i = 0; i < d->address_count; i++)
        mp_write_text(w, endpoint_print(&d->addresses[i], text));
}

static void write_peer(struct mp_writer *w, const struct known_relay *k,
                       uint64_t wall, uint64_t now)
{
    mp_write_map(w, 12);
    rpc_write_hex(w, "identity", bytes_of(k->d.identity, 32));
    write_addresses(w, &k->d);
    write_roles(w, k->d.roles);
    mp_write_text(w, "exit_policy");
    mp_write_text_n(w, descriptor_exit_policy(&k->d));
    mp_write_text(w, "tcp_policy");
    mp_write_text_n(w, descriptor_tcp_policy(&k->d));
    rpc_write_bool(w, "guard", k->record.guard_until != 0);
    rpc_write_bool(w, "usable", known_is_usable(k, wall));
    rpc_write_ms(w, "rtt", k->record.rtt == 0 ? TIME_NEVER : k->record.rtt);
    rpc_write_uint(w, "failures", known_failures(k, now));
    rpc_write_uint(w, "doubt", 100 * known_doubt(k, now) / DOUBT_WHOLE);
    rpc_write_uint(w, "capacity", k->record.capacity);
    rpc_write_uint(w, "last_seen", time_since(k->record.last_seen, wall));
}

static int compare(const void *a, const void *b)
{
    const struct known_relay *const *x = a, *const *y = b;

    return memcmp((*x)->d.identity, (*y)->d.identity, 32);
}

/* Those that follow `after`, sorted; the caller's to free. */
static const struct known_relay **sorted(const struct directory *d,
                                         const uint8_t *after, unsigned *count)
{
    unsigned known = directory_count(d), n = 0;
    const struct known_relay **all =
        calloc(known + 1, sizeof(struct known_relay *));

    if (all == NULL)
        return NULL;
    for (unsigned i = 0; i < known; i++) {
        const struct known_relay *k = directory_at(d, i);

        if (after == NULL || memcmp(k->d.identity, after, 32) > 0)
            all[n++] = k;
    }
    qsort(all, n, sizeof(struct known_relay *), compare);
    *count = n;
    return all;
}

enum error relay_page_write(struct mp_writer *w, const struct directory *d,
                            const uint8_t *after, unsigned max, uint64_t wall,
                            uint64_t now)
{
    unsigned count, here;
    const struct known_relay **all = sorted(d, after, &count);

    if (all == NULL)
        return ERR_NO_MEMORY;
    here = count < max ? count : max;
    mp_write_map(w, here < count ? 3 : 2);
    rpc_write_uint(w, "known", directory_count(d));
    mp_write_text(w, "peers");
    mp_write_array(w, here);
    for (unsigned i = 0; i < here; i++)
        write_peer(w, all[i], wall, now);
    if (here < count)
        rpc_write_hex(w, "next", bytes_of(all[here - 1]->d.identity, 32));
    free(all);
    return OK;
}
