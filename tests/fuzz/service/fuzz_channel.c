/* SPDX-License-Identifier: MIT
 *
 * What the other end of a channel says, on legs that come and go, while time
 * passes and this end sends too. What is read can be written and reads as the
 * same. A cell causes one cell at most, but for what waited, and only on a leg;
 * each leg ends once, memory stays within its bounds, and at the end there is
 * none.
 */
#include "fuzz.h"

#include "channel/end_message_check.h"
#include "tunnel/channel/channel.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"

#include <assert.h>

#define LEGS    16
#define RESENDS (CHANNEL_QUEUE * PIECE_COUNT_MAX) /* of what waited */

struct leg_of {
    bool attached;
    struct onion_sender out; /* the other end's */
};

struct world {
    struct input in;
    struct channel *ch;
    struct leg_of legs[LEGS];
    unsigned attached, used, sent, live, closed;
    uint64_t now;
};

static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    memset(buf, 0x42, len);
}

static struct circuit *circuit_of(struct leg_of *l)
{
    void *p = l;

    return p;
}

static struct leg_of *leg_of(struct circuit *c)
{
    void *p = c;

    return p;
}

static void send_cell(void *holder, struct circuit *c, uint8_t *datagram,
                      size_t len, uint64_t now)
{
    struct world *w = holder;

    (void)now, (void)datagram;
    assert(leg_of(c)->attached && !w->closed);
    assert(len == CELL_SMALL || len == CELL_LARGE);
    w->sent++;
}

static void live(void *holder, struct channel *ch, uint64_t now)
{
    struct world *w = holder;

    (void)ch, (void)now;
    w->live++;
    assert(w->live == 1);
}

static void data(void *holder, struct channel *ch, uint16_t port,
                 struct bytes payload, uint64_t now)
{
    struct world *w = holder;

    (void)ch, (void)port, (void)now;
    assert(w->live == 1 && payload.len <= CHANNEL_PAYLOAD_MAX);
}

static void packet(void *holder, struct channel *ch, bool to_acceptor,
                   struct bytes packet, uint64_t now)
{
    struct world *w = holder;

    (void)ch, (void)to_acceptor, (void)now;
    assert(w->live == 1 && packet.len > 0 && packet.len <= END_PACKET_MAX);
}

static void renew(void *holder, struct channel *ch, uint64_t now)
{
    (void)holder, (void)now;
    assert(channel_is_opener(ch));
}

static void move(void *holder, struct channel *ch, const struct channel_move *m,
                 uint64_t now)
{
    struct world *w = holder;

    assert(!channel_is_opener(ch));
    assert(m->noise1.len == MEETING_NOISE1_BYTES);
    if (input_take(&w->in) & 1)
        channel_moved(ch, m->cookie, reason_of(input_take(&w->in)), now);
}

static void move_refused(void *holder, struct channel *ch, enum reason why,
                         uint64_t now)
{
    (void)holder, (void)why, (void)now;
    assert(channel_is_opener(ch));
}

static void gap(void *holder, struct channel *ch, uint64_t now)
{
    (void)holder, (void)now;
    assert(channel_in_gap(ch));
}

static void doubt(void *holder, struct channel *ch, uint64_t now)
{
    (void)holder, (void)now;
    assert(channel_is_opener(ch) && channel_in_doubt(ch));
}

static void end_leg(struct world *w, struct leg_of *l)
{
    assert(l->attached);
    l->attached = false;
    w->attached--;
}

static void leg_over(void *holder, struct channel *ch, struct circuit *c,
                     uint64_t now)
{
    (void)ch, (void)now;
    end_leg(holder, leg_of(c));
}

static void closed(void *holder, struct channel *ch, enum reason why,
                   uint64_t now)
{
    struct world *w = holder;

    (void)ch, (void)why, (void)now;
    assert(w->closed == 0 && w->attached == 0);
    w->closed = 1;
}

static void attach(struct world *w)
{
    struct channel_keys keys = {.in = {(uint8_t)w->used}};
    struct leg_of *l = &w->legs[w->used];

    if (w->used == LEGS || w->closed)
        return;
    keys.out[0] = keys.resume[0] = (uint8_t)w->used;
    onion_sender_init(&l->out, keys.in);
    l->attached = true;
    w->used++;
    w->attached++;
    channel_attach(w->ch, circuit_of(l), &keys,
                   w->now + input_take(&w->in) * TIME_S, w->now);
}

static void detach(struct world *w, unsigned i)
{
    struct leg_of *l = &w->legs[i % LEGS];

    if (l->attached) {
        end_leg(w, l);
        channel_detach(w->ch, circuit_of(l), w->now);
    }
}

static void start_move(struct world *w)
{
    static const uint8_t noise1[MEETING_NOISE1_BYTES];
    struct channel_move m = {.cookie = noise1,
                             .noise1 = bytes_of(noise1, sizeof(noise1))};

    if (channel_is_opener(w->ch) && !w->closed)
        channel_move(w->ch, &m, w->now);
}

/* What is read is written, and reads as the same. */
static void check_codec(struct bytes text)
{
    static uint8_t out[END_DATA_MAX];
    struct end_message m, again;
    size_t len;

    if (end_message_read(text, &m) != OK)
        return;
    assert(end_message_write(&m, out, sizeof(out), &len) == OK);
    assert(end_message_read(bytes_of(out, len), &again) == OK);
    assert(end_message_equal(&m, &again));
}

static void give_cell(struct world *w, unsigned leg, size_t body_len)
{
    uint8_t body[CELL_LARGE_BODY] = {0};
    size_t len = input_take(&w->in) | (size_t)input_take(&w->in) << 8;
    unsigned before = w->sent;
    bool waits = channel_in_gap(w->ch);

    len %= onion_end_text_len(body_len) + 1;
    for (size_t i = 0; i < len; i++)
        body[i] = input_take(&w->in);
    check_codec(bytes_of(body, onion_end_text_len(body_len)));
    onion_end_add(&w->legs[leg % LEGS].out, body, body_len);
    channel_receive(w->ch, circuit_of(&w->legs[leg % LEGS]), body, body_len,
                    w->now);
    assert(w->sent - before <= 1 + (waits ? RESENDS : 0));
}

static void act(struct world *w)
{
    static const uint8_t payload[CHANNEL_PAYLOAD_MAX];
    uint8_t what = input_take(&w->in), which = what >> 3;

    switch (what % 8) {
    case 0:
        w->now += input_take(&w->in) * 50 * TIME_MS;
        if (channel_next_deadline(w->ch) <= w->now)
            channel_tick(w->ch, w->now);
        assert(channel_next_deadline(w->ch) > w->now);
        break;
    case 1:
        attach(w);
        break;
    case 2:
        detach(w, which);
        break;
    case 3:
        channel_send(w->ch, which,
                     bytes_of(payload, (size_t)input_take(&w->in) * 37),
                     w->now);
        break;
    case 4:
        start_move(w);
        break;
    case 5:
        if (which == 31)
            channel_close(w->ch, REASON_REQUESTED, w->now);
        break;
    default:
        give_cell(w, which, what & 1 ? CELL_LARGE_BODY : CELL_SMALL_BODY);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct piece_budget budget = {.max = 20 * PIECE_BYTES};
    struct channel_env env = {.random = {NULL, fill},
                              .send = send_cell,
                              .live = live,
                              .data = data,
                              .packet = packet,
                              .renew = renew,
                              .move = move,
                              .move_refused = move_refused,
                              .gap = gap,
                              .doubt = doubt,
                              .leg_over = leg_over,
                              .closed = closed};
    struct world w = {.in = {bytes, size}, .now = TIME_HOUR};

    if (channel_new(&env, &w, input_take(&w.in) & 1, &budget, &w.ch) != OK)
        return 0;
    while (w.in.left > 0) {
        act(&w);
        assert(w.attached <= CHANNEL_LEGS && budget.used <= budget.max);
    }
    channel_free(w.ch);
    piece_budget_rest(&budget);
    assert(budget.used == 0);
    return 0;
}
