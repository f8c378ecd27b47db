/* SPDX-License-Identifier: MIT
 *
 * Whom we know and who we are: for each address family the routing table, our
 * own id, our address as others see it (which decides the id, BEP 42), and the
 * size of the network. What happens to contacts is said here, and by way of
 * the watch told to whoever keeps the table (join.h).
 */
#ifndef WARREN_DHT_CONTACTS_CONTACTS_H
#define WARREN_DHT_CONTACTS_CONTACTS_H

#include "base/endpoint.h"
#include "base/id.h"
#include "dht/contacts/vote.h"
#include "dht/table/size_estimate.h"
#include "dht/table/table.h"
#include "dht/world/world.h"

#include <stdbool.h>
#include <stdint.h>

/* All are required; none may change the contacts or send. */
struct contacts_watch {
    /* The table has a contact that it did not have, or heard of again. */
    void (*gained)(void *ctx, enum family f);
    /* A contact stayed silent. */
    void (*lost)(void *ctx, enum family f);
    /* The table may have somebody to ping. */
    void (*candidate)(void *ctx, enum family f);
    /* Our id is another. */
    void (*new_id)(void *ctx, enum family f);
    /* Votes about our address contradict each other. */
    void (*doubt)(void *ctx, enum family f);
    /* Whether a single claim about our address will do. */
    bool (*believes_anybody)(void *ctx, enum family f);
};

struct contacts {
    struct dht_world *w;
    const struct contacts_watch *watch;
    void *watch_ctx;
    /* Our address is another one than it was; as the watch, but for those who
     * have given it to others (publish.h). */
    void (*moved)(void *ctx);
    /* The table has a contact that it did not have. */
    void (*met)(void *ctx, enum family f, const struct id *id);
    void *publish_ctx;
    bool cut[FAMILIES]; /* the machine has no way out in this family */
    struct id self[FAMILIES];
    struct table table[FAMILIES];
    struct vote vote[FAMILIES];
    struct size_estimate size[FAMILIES];
};

/* `w` is to outlive it. The watch is set before anything happens. */
void contacts_init(struct contacts *c, struct dht_world *w);
void contacts_deinit(struct contacts *c);
void contacts_watch(struct contacts *c, const struct contacts_watch *watch,
                    void *ctx);

/* Not counted on: cut, while the other family is not. */
bool contacts_leave_out(const struct contacts *c, enum family f);

/* A node has answered a query of ours, rightly. */
void contacts_answered(struct contacts *c, const struct id *id,
                       const struct endpoint *ep, uint64_t rtt);
/* A query to it stayed without an answer. */
void contacts_failed(struct contacts *c, const struct id *id,
                     const struct endpoint *ep);
/* The query was answered under another id than that of whom it was for. */
void contacts_renamed(struct contacts *c, const struct id *id,
                      const struct id *answered, const struct endpoint *ep);
/* It has asked us something. */
void contacts_heard(struct contacts *c, const struct id *id,
                    const struct endpoint *ep);
/* Somebody names it. Not told to the watch, because many come at once: that is
 * for the caller, by contacts_look. */
void contacts_named(struct contacts *c, const struct id *id,
                    const struct endpoint *ep);
void contacts_look(struct contacts *c, enum family f);
/* Our address, where the machine itself knows it; NULL: it does not. May give
 * us a new id. */
void contacts_settle(struct contacts *c, enum family f,
                     const struct endpoint *ours);
/* It says that we are `claimed`; may give us a new id. */
void contacts_vote(struct contacts *c, const struct endpoint *voter,
                   const struct endpoint *claimed);

#endif
