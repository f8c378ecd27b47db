/* SPDX-License-Identifier: MIT
 *
 * What services keep between runs, between the engine's shapes and the
 * store's.
 */
#ifndef WARREN_NODE_SERVICE_SERVICE_MEMORY_H
#define WARREN_NODE_SERVICE_SERVICE_MEMORY_H

#include "base/error.h"
#include "store/store.h"
#include "tunnel/service/service.h"

#define MEMORY_POINTS 32
#define MEMORY_SEQS   256

/* Of one service; `memory` shows into it. */
struct service_remembered {
    struct service_point_row points[MEMORY_POINTS];
    struct service_seq_row seqs[MEMORY_SEQS];
    struct service_memory memory;
};

/* What the store has of the service; what is more than there is room for, or
 * cannot be read, is left out. */
void service_memory_load(struct store *store, const char *name,
                         struct service_remembered *out);
/* The node's layer-2 guards; count 0: there are none. */
void service_memory_layer2(struct store *store, struct vanguard_set *out);

/* Errors of store_put_*. `name` "" for the node's layer-2 guards. */
enum error service_memory_point(struct store *store, const char *name,
                                const struct service_point_row *row);
enum error service_memory_seq(struct store *store, const char *name,
                              const struct service_seq_row *row);
enum error service_memory_vanguards(struct store *store, const char *name,
                                    const struct vanguard_set *set);

#endif
