/* SPDX-License-Identifier: MIT
 *
 * The frames of the control socket: msgpack-RPC, one object after the other
 * without anything between them.
 *
 *     request       [0, msgid, method, [params]]    params: a map, or none
 *     response      [1, msgid, error, result]       error: nil, or
 *                                                   {"code": , "text": }
 *     notification  [2, method, [msgid, params]]    news of a running request
 *
 * What a client sends and is no request is answered with an error as long as a
 * msgid can be read, which is the second element. What cannot be answered ends
 * the connection, after one more notification, "closed", about msgid 0:
 * {"code": , "text": }. Both say what was wrong, and what would be right.
 *
 * Ids, keys, signatures and addresses are text (hex, "1.2.3.4:80"); only the
 * values of items are msgpack as they came. Durations are milliseconds.
 */
#ifndef WARREN_NODE_CONTROL_CONTROL_FRAME_H
#define WARREN_NODE_CONTROL_CONTROL_FRAME_H

#include "base/bytes.h"
#include "base/error.h"
#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <stddef.h>
#include <stdint.h>

#define CONTROL_REQUEST_MAX    65536 /* bytes of a request */
#define CONTROL_REQUEST_TOKENS 2048
#define CONTROL_FRAME_MAX      (1024 * 1024) /* bytes of anything else */
#define CONTROL_FRAME_TOKENS   (128 * 1024)
#define CONTROL_METHOD_MAX     64
#define CONTROL_PARAMS_MAX     16 /* keys in the map of a request */

#define CONTROL_CLOSED "closed" /* the last notification */

enum control_kind {
    CONTROL_REQUEST = 0,
    CONTROL_RESPONSE = 1,
    CONTROL_NOTIFICATION = 2,
    CONTROL_BAD_REQUEST /* its msgid is known, and what is wrong: `text` */
};

struct control_frame {
    enum control_kind kind;
    uint32_t msgid;
    struct bytes method;    /* requests, notifications */
    struct bytes code;      /* responses that failed, "closed"; else empty */
    struct bytes text;      /* likewise, for people; of a BAD_REQUEST ours */
    struct mp_reader value; /* at the params or the result */
};

/* Reads the first frame of `in`; the views in `out` point into `in` and the
 * tape. `used` gets its length. ERR_MISSING when more bytes are needed, errors
 * of mp_parse and mp_reader when this is no msgpack-RPC; ERR_SYNTAX when it has
 * too few elements. */
enum error control_frame_read(struct mp_tape *tape, struct bytes in,
                              size_t *used, struct control_frame *out);

/* The same for what a client has sent, all of which is a REQUEST or a
 * BAD_REQUEST. ERR_SYNTAX: a BAD_REQUEST of which not even the msgid can be
 * read; `out` and `used` are there all the same. */
enum error control_frame_read_request(struct mp_tape *tape, struct bytes in,
                                      size_t *used, struct control_frame *out);

/* Each writes what goes before the value, which the caller writes next. */
void control_write_request(struct mp_writer *w, uint32_t msgid,
                           const char *method);
void control_write_response(struct mp_writer *w, uint32_t msgid);
void control_write_notification(struct mp_writer *w, uint32_t msgid,
                                const char *method);
/* Whole frames. */
void control_write_closed(struct mp_writer *w, const char *code,
                          const char *text);
void control_write_error(struct mp_writer *w, uint32_t msgid, const char *code,
                         const char *text);

#endif
