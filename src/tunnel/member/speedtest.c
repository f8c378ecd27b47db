/* SPDX-License-Identifier: MIT
 *
 * The client's side. As many TESTs are under way as a congestion window says,
 * which grows and shrinks as that of TCP does (RFC 5681: slow start up to a
 * threshold, then one more for each window; half of it when something is lost).
 * A TEST is lost when many later ones were answered, or when it is overdue by
 * the round trips before (RFC 6298). Which one was lost where is told by the
 * hop's own counts, which come with each answer.
 *
 * Of each sequence that is under way, and of some before, the ring remembers
 * its fate: `base` is the first that is not decided.
 */
#include "tunnel/member/speedtest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Sequences that are remembered: those under way, and behind them some that
 * were given up and may yet be answered. A power of two. */
#define RING (2 * SPEEDTEST_WINDOW_MAX)

#define FIRST_WINDOW 16
/* So many later ones answered, and a TEST counts as lost (RFC 5681 says 3;
 * cells of a circuit are reordered more than segments are). */
#define REORDER       64
#define TIMEOUT_MIN   (200 * TIME_MS)
#define TIMEOUT_MAX   (5 * TIME_S)
#define FIRST_TIMEOUT (2 * TIME_S)

enum fate { UNDER_WAY, ANSWERED, GIVEN_UP };

struct sent {
    uint64_t at;
    enum fate fate;
};

struct speedtest {
    struct speedtest_config config;
    uint64_t started_at; /* never before the first TEST */
    uint64_t heard_at;
    uint32_t next;    /* sequence */
    uint32_t base;    /* all below it are answered or given up */
    uint32_t highest; /* answered, plus 1 */
    uint32_t under_way, answered;
    uint32_t received, refused; /* the hop's counts, as of `highest` */

    unsigned window, threshold, credit; /* congestion window, in TESTs */
    uint32_t recover; /* losses below this sequence are one event */

    uint64_t rtt_min, rtt_max, rtt_sum;
    uint64_t srtt, rttvar; /* RFC 6298 */
    uint64_t last_rtt, jitter;

    struct sent ring[RING];
};

enum error speedtest_new(const struct speedtest_config *config,
                         struct speedtest **out)
{
    struct speedtest *s = calloc(1, sizeof(*s));

    assert(config->window > 0 && config->window <= SPEEDTEST_WINDOW_MAX);
    assert(config->pad <= SPEEDTEST_PAD_MAX &&
           config->answer_pad <= config->pad &&
           config->answer_pad >= SPEEDTEST_PAD_MIN);
    if (s == NULL)
        return ERR_NO_MEMORY;
    s->config = *config;
    s->started_at = TIME_NEVER;
    s->threshold = config->window;
    s->window = config->window < FIRST_WINDOW ? config->window : FIRST_WINDOW;
    s->rtt_min = TIME_NEVER;
    *out = s;
    return OK;
}

void speedtest_free(struct speedtest *s)
{
    free(s);
}

/* a - b, and never below 0. */
static uint32_t less(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

static struct sent *sent_of(struct speedtest *s, uint32_t sequence)
{
    return &s->ring[sequence % RING];
}

static bool is_over(const struct speedtest *s, uint64_t now)
{
    return s->started_at != TIME_NEVER &&
           (now >= time_after(s->started_at, s->config.duration) ||
            s->next == UINT32_MAX);
}

bool speedtest_next(struct speedtest *s, uint64_t now, uint64_t *nonce,
                    uint8_t *pad)
{
    if (is_over(s, now) || s->under_way >= s->window ||
        s->next - s->base >= RING / 2)
        return false;
    if (s->started_at == TIME_NEVER)
        s->started_at = s->heard_at = now;
    *sent_of(s, s->next) = (struct sent){.at = now, .fate = UNDER_WAY};
    *nonce = (uint64_t)s->config.id << 32 | s->next;
    memset(pad, 0, s->config.pad);
    bytes_put_number(pad, 2, s->config.answer_pad);
    s->next++;
    s->under_way++;
    return true;
}

static uint64_t timeout_of(const struct speedtest *s)
{
    uint64_t timeout = s->srtt + 4 * s->rttvar;

    if (s->srtt == 0)
        return FIRST_TIMEOUT;
    return timeout < TIMEOUT_MIN ? TIMEOUT_MIN : time_min(timeout, TIMEOUT_MAX);
}

static void learn_rtt(struct speedtest *s, uint64_t rtt)
{
    uint64_t off = rtt > s->srtt ? rtt - s->srtt : s->srtt - rtt;
    uint64_t change = rtt > s->last_rtt ? rtt - s->last_rtt : s->last_rtt - rtt;

    if (s->answered == 0) {
        s->srtt = rtt;
        s->rttvar = rtt / 2;
    } else {
        s->rttvar = (3 * s->rttvar + off) / 4;
        s->srtt = (7 * s->srtt + rtt) / 8;
        s->jitter = (15 * s->jitter + change) / 16; /* RFC 3550 */
    }
    s->last_rtt = rtt;
    s->rtt_sum += rtt;
    s->rtt_min = time_min(s->rtt_min, rtt);
    if (rtt > s->rtt_max)
        s->rtt_max = rtt;
}

static void open_window(struct speedtest *s)
{
    if (s->window >= s->config.window)
        return;
    if (s->window < s->threshold) {
        s->window++;
    } else if (++s->credit >= s->window) {
        s->credit = 0;
        s->window++;
    }
}

static void lose(struct speedtest *s, uint32_t sequence)
{
    sent_of(s, sequence)->fate = GIVEN_UP;
    s->under_way--;
    if (sequence < s->recover)
        return;
    s->recover = s->next;
    s->window = s->window > 3 ? s->window / 2 : 2;
    if (s->window > s->config.window)
        s->window = s->config.window;
    s->threshold = s->window;
    s->credit = 0;
}

/* Moves the base past all that is decided. */
static void settle(struct speedtest *s, uint64_t now)
{
    uint64_t timeout = timeout_of(s);

    for (; s->base < s->next; s->base++) {
        const struct sent *t = sent_of(s, s->base);

        if (t->fate != UNDER_WAY)
            continue;
        if (less(s->highest, s->base) <= REORDER &&
            time_since(t->at, now) < timeout)
            break;
        lose(s, s->base);
    }
}

enum error speedtest_receive(struct speedtest *s, uint64_t nonce,
                             struct bytes pad, uint64_t now)
{
    uint32_t sequence = (uint32_t)nonce;
    struct sent *t = sent_of(s, sequence);

    if (nonce >> 32 != s->config.id || sequence >= s->next ||
        s->next - sequence > RING || t->fate == ANSWERED)
        return ERR_UNEXPECTED;
    if (pad.len != s->config.answer_pad)
        return ERR_WRONG_LENGTH;
    if (t->fate == UNDER_WAY)
        s->under_way--;
    t->fate = ANSWERED;
    learn_rtt(s, time_since(t->at, now));
    s->answered++;
    s->heard_at = now;
    if (sequence >= s->highest) {
        s->highest = sequence + 1;
        s->received = (uint32_t)bytes_get_number(pad.p, 4);
        s->refused = (uint32_t)bytes_get_number(pad.p + 4, 4);
    }
    open_window(s);
    settle(s, now);
    return OK;
}

void speedtest_tick(struct speedtest *s, uint64_t now)
{
    settle(s, now);
}

uint64_t speedtest_next_deadline(const struct speedtest *s)
{
    if (s->under_way == 0)
        return TIME_NEVER;
    return time_after(s->ring[s->base % RING].at, timeout_of(s));
}

bool speedtest_is_done(const struct speedtest *s, uint64_t now)
{
    return is_over(s, now) && s->under_way == 0;
}

static uint64_t rate(uint64_t messages, size_t bytes, uint64_t elapsed)
{
    if (elapsed == 0)
        return 0;
    return (uint64_t)((double)(messages * bytes) * (double)TIME_S /
                      (double)elapsed);
}

uint64_t speedtest_proven(const struct speedtest *s)
{
    uint64_t elapsed = s->config.duration;

    if (s->started_at != TIME_NEVER && s->heard_at - s->started_at > elapsed)
        elapsed = s->heard_at - s->started_at;
    return rate(s->answered, s->config.answer_pad, elapsed);
}

/* The hop may say anything: what it claims is held to what can be. */
void speedtest_get_report(const struct speedtest *s,
                          struct speedtest_report *out)
{
    uint32_t received = s->received < s->highest ? s->received : s->highest;
    struct speedtest_report r = {
        .sent = s->next, .answered = s->answered, .under_way = s->under_way};

    if (received < s->answered)
        received = s->answered;
    if (s->started_at != TIME_NEVER)
        r.elapsed = s->heard_at - s->started_at;
    r.lost = r.sent - r.answered - r.under_way;
    r.lost_forward = less(s->highest, received);
    if (r.lost_forward > r.lost)
        r.lost_forward = r.lost;
    r.refused = less(r.lost, r.lost_forward);
    if (r.refused > s->refused)
        r.refused = s->refused;
    r.lost_backward = r.lost - r.lost_forward - r.refused;
    r.up = rate(received, s->config.pad, r.elapsed);
    r.down = rate(r.answered, s->config.answer_pad, r.elapsed);
    if (s->answered > 0) {
        r.rtt_min = s->rtt_min;
        r.rtt_mean = s->rtt_sum / s->answered;
        r.rtt_max = s->rtt_max;
        r.jitter = s->jitter;
    }
    *out = r;
}
