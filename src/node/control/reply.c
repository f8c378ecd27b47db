/* SPDX-License-Identifier: MIT
 */
#include "node/control/reply.h"
#include "base/text.h"

#include <stdio.h>

#define TEXTS 8

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
    static char texts[TEXTS][REPLY_TEXT_SIZE];
    static unsigned next;
    char *out = texts[next++ % TEXTS];
    struct text t;

    text_init(&t, REPLY_TEXT_SIZE - 1);
    text_add_printable(&t, reply_bytes(map, key));
    snprintf(out, REPLY_TEXT_SIZE, "%s", text_get(&t));
    text_deinit(&t);
    return out;
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
