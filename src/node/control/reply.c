/* SPDX-License-Identifier: MIT
 *
 * Values out of maps. What is read of a text is a copy, made fit for a
 * terminal; copies are kept on a list until reply_forget, however many a row of
 * a table has.
 */
#include "node/control/reply.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct kept {
    struct kept *older;
    char text[];
};

/* Of the command line, which has one answer in hand at a time. */
static struct kept *kept;

bool reply_find(struct mp_reader map, const char *key, struct mp_reader *out)
{
    uint32_t pairs = mp_read_map(&map, UINT32_MAX);

    for (; pairs > 0 && map.err == OK; pairs--) {
        if (bytes_equal(mp_read_bytes(&map, 0, SIZE_MAX), bytes_of_text(key))) {
            if (mp_peek(&map) == MP_NIL)
                return false;
            *out = map;
            return true;
        }
        mp_skip(&map);
    }
    return false;
}

struct bytes reply_bytes(struct mp_reader map, const char *key)
{
    struct mp_reader at;

    if (!reply_find(map, key, &at))
        return bytes_of(NULL, 0);
    return mp_read_bytes(&at, 0, SIZE_MAX);
}

const char *reply_text(struct mp_reader map, const char *key)
{
    struct bytes bytes = reply_bytes(map, key);
    struct kept *k;
    struct text t;

    if (bytes.len == 0)
        return "";
    text_init(&t, REPLY_TEXT_SIZE - 1);
    text_add_printable(&t, bytes);
    k = malloc(sizeof(*k) + t.len + 1);
    if (k != NULL) {
        memcpy(k->text, text_get(&t), t.len + 1);
        k->older = kept;
        kept = k;
    }
    text_deinit(&t);
    return k == NULL ? "" : k->text;
}

void reply_forget(void)
{
    while (kept != NULL) {
        struct kept *older = kept->older;

        free(kept);
        kept = older;
    }
}

uint64_t reply_uint(struct mp_reader map, const char *key)
{
    struct mp_reader at;

    return reply_find(map, key, &at) ? mp_read_uint(&at, UINT64_MAX) : 0;
}

double reply_double(struct mp_reader map, const char *key)
{
    struct mp_reader at;

    return reply_find(map, key, &at) ? mp_read_double(&at) : 0;
}

bool reply_bool(struct mp_reader map, const char *key)
{
    struct mp_reader at;

    return reply_find(map, key, &at) && mp_read_bool(&at);
}

uint32_t reply_array(struct mp_reader map, const char *key,
                     struct mp_reader *out)
{
    struct mp_reader at;

    if (!reply_find(map, key, &at))
        return 0;
    uint32_t count = mp_read_array(&at, UINT32_MAX);
    *out = at;
    return count;
}
