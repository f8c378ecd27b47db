/* SPDX-License-Identifier: MIT */
#include "stream/stream.h"

#include <assert.h>

const char *stream_end_name(enum stream_end why)
{
    static const char *const names[] = {
        [STREAM_END_CLOSED] = "closed",     [STREAM_END_IDLE] = "idle",
        [STREAM_END_TIMEOUT] = "timeout",   [STREAM_END_ROOM] = "room",
        [STREAM_END_PROTOCOL] = "protocol", [STREAM_END_MEMORY] = "memory",
    };

    assert(why <= STREAM_END_MEMORY);
    return names[why];
}
