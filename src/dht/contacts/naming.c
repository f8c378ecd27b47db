/* SPDX-License-Identifier: MIT */
#include "dht/contacts/naming.h"

#include "dht/world/world.h"

size_t naming_read(struct bytes compact, enum family f,
                   struct named out[DHT_NODES_MAX])
{
    size_t n = 0;

    while (n < DHT_NODES_MAX &&
           dht_message_next_node(&compact, f, &out[n].id, &out[n].ep))
        n++;
    return n;
}

static bool is_testing(const struct contacts *c)
{
    return c->w->config.testing_network;
}

static bool same_place(bool testing, const struct endpoint *a,
                       const struct endpoint *b)
{
    return testing ? endpoint_equal(a, b) : endpoint_same_addr(a, b);
}

bool naming_contradicts(const struct contacts *c, const struct named *by,
                        const struct named *nodes, size_t count)
{
    const bool testing = is_testing(c);

    if (c->w->config.dialect == DHT_DIALECT_MAINLINE)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (same_place(testing, &nodes[i].ep, &by->ep) &&
            !id_equal(&nodes[i].id, &by->id))
            return true;
        for (size_t j = 0; j < i; j++) {
            if (same_place(testing, &nodes[i].ep, &nodes[j].ep) &&
                !id_equal(&nodes[i].id, &nodes[j].id))
                return true;
        }
    }
    return false;
}

/* Nobody may send us to our own address, nor, from the Internet, to those of
 * our local network. */
static bool may_name(const struct contacts *c, const struct endpoint *by,
                     const struct named *node)
{
    enum family f = (enum family)node->ep.family;
    struct endpoint own;

    if (!endpoint_is_usable(&node->ep) || id_equal(&node->id, &c->self[f]))
        return false;
    if (vote_winner(&c->vote[f], &own) && endpoint_equal(&node->ep, &own))
        return false;
    return is_testing(c) || endpoint_is_global(&node->ep) ||
           !endpoint_is_global(by);
}

size_t naming_leave_out(const struct contacts *c, const struct endpoint *by,
                        struct named *nodes, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (may_name(c, by, &nodes[i]))
            nodes[kept++] = nodes[i];
    }
    return kept;
}

void naming_tell(struct contacts *c, enum family f, const struct named *nodes,
                 size_t count)
{
    for (size_t i = 0; i < count; i++)
        contacts_named(c, &nodes[i].id, &nodes[i].ep);
    if (count > 0)
        contacts_look(c, f);
}

void naming_take(struct contacts *c, const struct named *by,
                 const struct dht_message *m)
{
    const struct bytes compact[FAMILIES] = {m->nodes, m->nodes6};

    for (int f = 0; f < FAMILIES; f++) {
        struct named nodes[DHT_NODES_MAX];
        size_t count = naming_read(compact[f], (enum family)f, nodes);

        if (!c->w->config.family[f])
            continue;
        if (naming_contradicts(c, by, nodes, count))
            return;
        count = naming_leave_out(c, &by->ep, nodes, count);
        naming_tell(c, (enum family)f, nodes, count);
    }
}
