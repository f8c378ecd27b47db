/* SPDX-License-Identifier: MIT
 *
 * What a stream begins with: the input comes in two pieces, as a request or as
 * an answer to one. What is read is written, and read again the same.
 */
#include "fuzz.h"

#include "stream/stream_request.h"

#include <assert.h>
#include <string.h>

static struct stream_message message_of(const uint8_t *text, size_t len)
{
    struct stream_message m = {.have = 0};
    struct bytes data = bytes_of(text, len);

    assert(stream_message_take(&m, &data) == OK && data.len == 0);
    return m;
}

static void check_request(const struct stream_message *m)
{
    uint8_t out[STREAM_MESSAGE_MAX];
    struct stream_request q, again;
    struct stream_message written;

    if (stream_request_read(m, &q) != OK)
        return;
    written = message_of(out, stream_request_write(&q, out));
    assert(stream_request_read(&written, &again) == OK);
    assert(q.kind == again.kind && q.port == again.port);
    assert(bytes_equal(q.name, again.name));
    assert(endpoint_equal(&q.ep, &again.ep));
}

static void check_answer(const struct stream_message *m,
                         enum stream_request_kind to)
{
    uint8_t out[STREAM_MESSAGE_MAX];
    struct stream_answer a, again;
    struct stream_message written;

    if (stream_answer_read(m, to, &a) != OK)
        return;
    written = message_of(out, stream_answer_write(&a, to, out));
    assert(stream_answer_read(&written, to, &again) == OK);
    assert(a.reason == again.reason && a.ttl == again.ttl);
    assert(a.address_count == again.address_count);
    assert(bytes_equal(a.name, again.name));
    for (unsigned i = 0; i < a.address_count; i++)
        assert(endpoint_equal(&a.address[i], &again.address[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint8_t what = input_take(&in);
    size_t cut = input_take(&in);
    struct stream_message m = {.have = 0};
    struct bytes piece;

    if (cut > in.left)
        cut = in.left;
    piece = bytes_of(in.p, cut);
    if (stream_message_take(&m, &piece) == ERR_MISSING) {
        assert(piece.len == 0);
        piece = bytes_of(in.p + cut, in.left - cut);
    }
    if (stream_message_take(&m, &piece) != OK)
        return 0;
    if (what % 5 == 0)
        check_request(&m);
    else
        check_answer(&m, (enum stream_request_kind)(what % 5));
    return 0;
}
