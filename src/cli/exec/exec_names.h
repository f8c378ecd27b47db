/* SPDX-License-Identifier: MIT
 *
 * Addresses that stand for names, as nothing is resolved here: a program asks
 * for a name, connects to the address that it is given, and the name is sent to
 * the exit. Of each name one address of 198.18.0.0/15 (RFC 2544) and one of
 * fc77:6172:7265:6e::/64.
 *
 * There are at most so many names. The one not used for longest makes room,
 * but none that is held, and none for as long as a resolver may keep it.
 */
#ifndef WARREN_CLI_EXEC_EXEC_NAMES_H
#define WARREN_CLI_EXEC_EXEC_NAMES_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "base/table/keyed_table.h"
#include "base/timestamp.h"
#include "node/socks/socks_address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXEC_NAMES_MAX  65536
#define EXEC_NAME_TTL   60 /* s, as resolvers are told */
#define EXEC_NAME_FRESH (2 * EXEC_NAME_TTL * TIME_S)
#define EXEC_NAME_SIZE  254
/* Of the namespace itself; no name has it. */
#define EXEC_OWN_IPV4 "192.0.0.8"
#define EXEC_OWN_IPV6 "fc77:6172:7265:6e::1"

struct exec_name {
    struct keyed_entry entry;
    uint32_t index; /* of the addresses */
    unsigned holds;
    uint64_t used_at;
    uint8_t len;
    char text[EXEC_NAME_SIZE];
};

struct exec_names {
    struct keyed_table table;
    struct exec_name **at; /* by index */
    size_t count, cap;
};

/* At most `max` (up to EXEC_NAMES_MAX). */
void exec_names_init(struct exec_names *n, size_t max,
                     const struct random_source *random);
void exec_names_deinit(struct exec_names *n);

/* The name, which is sound and in lower case; added when it is new. ERR_FULL:
 * all others are in use; ERR_NO_MEMORY. */
enum error exec_names_get(struct exec_names *n, const char *text, uint64_t now,
                          struct exec_name **out);
/* Its address, with port 0. */
struct endpoint exec_name_address(const struct exec_name *name,
                                  enum family family);

/* Stands for a name, or has done so. */
bool exec_names_is_virtual(const struct endpoint *ep);
/* The name that it stands for, which is used so; or NULL. */
struct exec_name *exec_names_find(struct exec_names *n,
                                  const struct endpoint *ep, uint64_t now);

/* What the proxy is told of this destination: the name, which is held then and
 * stays NULL otherwise, or the address. False: it is nowhere outside, or no
 * longer stands for a name. */
bool exec_names_target(struct exec_names *n, const struct endpoint *to,
                       uint64_t now, struct exec_name **name,
                       struct socks_address *out);

/* Something goes on with it; as often let go. */
void exec_name_hold(struct exec_name *name);
void exec_name_let_go(struct exec_name *name, uint64_t now);

#endif
