/* SPDX-License-Identifier: MIT
 *
 * Nodes that an answer names: read, sorted out, and told to the table as
 * candidates. Whoever answers may make them up, so nobody is sent to our own
 * address or, by a stranger, into our local network, and an answer that names
 * one address under two ids names nobody.
 */
#ifndef WARREN_DHT_CONTACTS_NAMING_H
#define WARREN_DHT_CONTACTS_NAMING_H

#include "base/bytes.h"
#include "dht/contacts/contacts.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stddef.h>

struct named {
    struct id id;
    struct endpoint ep;
};

/* Compact nodes (BEP 5, BEP 32); returns how many, at most DHT_NODES_MAX. */
size_t naming_read(struct bytes compact, enum family f,
                   struct named out[DHT_NODES_MAX]);

/* One address under two ids, in what `by` names or with itself. On the mainline
 * DHT nothing does: there are many behind one NAT, and nodes that know somebody
 * under the id of an earlier life. */
bool naming_contradicts(const struct contacts *c, const struct named *by,
                        const struct named *nodes, size_t count);

/* Leaves out those that `by` may not name; returns how many are left. */
size_t naming_leave_out(const struct contacts *c, const struct endpoint *by,
                        struct named *nodes, size_t count);

/* Tells the table of a family, and whoever watches it. */
void naming_tell(struct contacts *c, enum family f, const struct named *nodes,
                 size_t count);

/* All of that with the nodes of both families in an answer of `by`. */
void naming_take(struct contacts *c, const struct named *by,
                 const struct dht_message *m);

#endif
