/* SPDX-License-Identifier: MIT */
#include "cli/exec/exec_names.h"

#include <stdlib.h>
#include <string.h>

#define IPV4_FIRST  UINT32_C(0xc6120001) /* 198.18.0.1 */
#define IPV4_BITS   15
#define IPV6_PREFIX 8 /* bytes */
#define IPV6_FIRST  2 /* ::1 is the namespace's own */
#define FIRST_CAP   64

static const uint8_t ipv6_prefix[IPV6_PREFIX] = {0xfc, 0x77, 0x61, 0x72,
                                                 0x72, 0x65, 0x00, 0x6e};

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct exec_name *name = (const void *)e;

    return bytes_of((const uint8_t *)name->text, name->len);
}

void exec_names_init(struct exec_names *n, size_t max,
                     const struct random_source *random)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    *n = (struct exec_names){0};
    random->fill(random->ctx, secret, sizeof(secret));
    keyed_table_init(&n->table, max, key_of, secret);
}

void exec_names_deinit(struct exec_names *n)
{
    while (n->table.oldest != NULL) {
        struct keyed_entry *e = n->table.oldest;

        keyed_table_remove(&n->table, e);
        free(e);
    }
    free(n->at);
}

/* ---- Addresses ---------------------------------------------------------- */

struct endpoint exec_name_address(const struct exec_name *name,
                                  enum family family)
{
    struct endpoint ep = {.family = (uint8_t)family};

    if (family == FAMILY_IPV4) {
        bytes_put_number(ep.addr, 4, IPV4_FIRST + name->index);
    } else {
        memcpy(ep.addr, ipv6_prefix, IPV6_PREFIX);
        bytes_put_number(ep.addr + IPV6_PREFIX, 8,
                         (uint64_t)IPV6_FIRST + name->index);
    }
    return ep;
}

bool exec_names_is_virtual(const struct endpoint *ep)
{
    if (ep->family == FAMILY_IPV4)
        return bytes_get_number(ep->addr, 4) >> (32 - IPV4_BITS) ==
               IPV4_FIRST >> (32 - IPV4_BITS);
    return memcmp(ep->addr, ipv6_prefix, IPV6_PREFIX) == 0;
}

struct exec_name *exec_names_find(struct exec_names *n,
                                  const struct endpoint *ep, uint64_t now)
{
    uint64_t index;

    if (!exec_names_is_virtual(ep))
        return NULL;
    if (ep->family == FAMILY_IPV4)
        index = bytes_get_number(ep->addr, 4) - IPV4_FIRST;
    else
        index = bytes_get_number(ep->addr + IPV6_PREFIX, 8) - IPV6_FIRST;
    if (index >= n->count)
        return NULL;
    n->at[index]->used_at = now;
    keyed_table_touch(&n->table, &n->at[index]->entry);
    return n->at[index];
}

/* ---- Names -------------------------------------------------------------- */

static bool may_go(const struct exec_name *name, uint64_t now)
{
    return name->holds == 0 &&
           time_since(name->used_at, now) >= EXEC_NAME_FRESH;
}

/* Another name takes its memory and its addresses. */
static struct exec_name *make_room(struct exec_names *n, uint64_t now)
{
    struct keyed_entry *e;

    for (e = n->table.oldest; e != NULL; e = e->newer) {
        if (may_go((struct exec_name *)(void *)e, now)) {
            keyed_table_remove(&n->table, e);
            return (struct exec_name *)(void *)e;
        }
    }
    return NULL;
}

static struct exec_name *one_more(struct exec_names *n)
{
    size_t cap = n->cap == 0 ? FIRST_CAP : 2 * n->cap;
    struct exec_name *name = calloc(1, sizeof(*name));
    struct exec_name **at;

    if (name == NULL)
        return NULL;
    if (n->count == n->cap) {
        at = realloc(n->at, cap * sizeof(struct exec_name *));
        if (at == NULL) {
            free(name);
            return NULL;
        }
        n->at = at;
        n->cap = cap;
    }
    name->index = (uint32_t)n->count;
    n->at[n->count++] = name;
    return name;
}

enum error exec_names_get(struct exec_names *n, const char *text, uint64_t now,
                          struct exec_name **out)
{
    size_t len = strlen(text);
    struct keyed_entry *e =
        keyed_table_find(&n->table, bytes_of((const uint8_t *)text, len));
    struct exec_name *name = (struct exec_name *)(void *)e;

    if (name != NULL) {
        keyed_table_touch(&n->table, e);
    } else {
        bool full = n->count == n->table.max;

        name = full ? make_room(n, now) : one_more(n);
        if (name == NULL)
            return full ? ERR_FULL : ERR_NO_MEMORY;
        name->len = (uint8_t)len;
        memcpy(name->text, text, len + 1);
        if (keyed_table_add(&n->table, &name->entry) != OK) {
            n->count--; /* it was the first of all */
            free(name);
            return ERR_NO_MEMORY;
        }
    }
    name->used_at = now;
    *out = name;
    return OK;
}

/* Of the namespace. */
static bool is_inside(const struct endpoint *ep)
{
    struct endpoint own;

    return endpoint_is_loopback(ep) || endpoint_is_wildcard(ep) ||
           (endpoint_parse_addr(ep->family == FAMILY_IPV4 ? EXEC_OWN_IPV4
                                                          : EXEC_OWN_IPV6,
                                &own) == OK &&
            endpoint_same_addr(ep, &own));
}

bool exec_names_target(struct exec_names *n, const struct endpoint *to,
                       uint64_t now, struct exec_name **name,
                       struct socks_address *out)
{
    struct exec_name *found;

    *name = NULL;
    if (is_inside(to))
        return false;
    *out = (struct socks_address){.ep = *to};
    if (!exec_names_is_virtual(to))
        return true;
    found = exec_names_find(n, to, now);
    if (found == NULL ||
        socks_address_set(out,
                          bytes_of((const uint8_t *)found->text, found->len),
                          to->port) != OK)
        return false;
    exec_name_hold(found);
    *name = found;
    return true;
}

void exec_name_hold(struct exec_name *name)
{
    name->holds++;
}

void exec_name_let_go(struct exec_name *name, uint64_t now)
{
    name->holds--;
    name->used_at = now;
}
