/* SPDX-License-Identifier: MIT
 *
 * An end holds its link from attach to detach (link_hold), and is in two
 * places: the table that cells find it in, and the list of its link.
 */
#include "tunnel/circuit/circuit_end.h"

#include "tunnel/link/link_text.h"

#include <assert.h>
#include <stddef.h>

enum error circuit_end_attach(struct circuit_end *end, struct slot_table *t,
                              struct link *link)
{
    struct circuit_end *first = link->ends;
    enum error e;

    assert(end->link == NULL);
    e = slot_table_add(t, end, &end->local);
    if (e != OK)
        return e;
    end->link = link;
    end->next = first;
    end->prev = &link->ends;
    if (first != NULL)
        first->prev = &end->next;
    link->ends = end;
    link_hold(link);
    return OK;
}

void circuit_end_detach(struct circuit_end *end, struct slot_table *t,
                        uint64_t now)
{
    if (end->link == NULL)
        return;
    slot_table_remove(t, end->local);
    if (end->next != NULL)
        end->next->prev = end->prev;
    *end->prev = end->next;
    link_release(end->link, now);
    *end = (struct circuit_end){.role = end->role};
}

void circuit_destroy(struct links *links, struct link *link, uint32_t remote,
                     enum reason why, uint64_t now)
{
    uint8_t text[LINK_TEXT_SMALL];
    size_t len = link_text_write_destroy(text, why);

    link_send(links, link, CELL_DESTROY, remote, bytes_of(text, len), now);
}

void circuit_end_destroy(const struct circuit_end *end, struct links *links,
                         enum reason why, uint64_t now)
{
    if (end->link != NULL && end->remote != 0)
        circuit_destroy(links, end->link, end->remote, why, now);
}

struct circuit_end *circuit_end_find(const struct slot_table *t,
                                     const struct link *link, uint32_t index)
{
    struct circuit_end *end = slot_table_find(t, index);

    return end != NULL && end->link == link ? end : NULL;
}
