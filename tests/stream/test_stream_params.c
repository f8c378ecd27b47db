/* SPDX-License-Identifier: MIT
 *
 * Ends that say absurd things about themselves before anything else: what they
 * allow, how long they wait, where else they are. Theirs is the loss; what is
 * kept for them has its bound, and somebody else is served meanwhile.
 */
#include "stream_world.h"

#include <inttypes.h>
#include <ngtcp2/ngtcp2.h>

#define MOST ((UINT64_C(1) << 62) - 1)

ngtcp2_ssize __real_ngtcp2_conn_encode_local_transport_params(ngtcp2_conn *q,
                                                              uint8_t *out,
                                                              size_t len);
ngtcp2_ssize __wrap_ngtcp2_conn_encode_local_transport_params(ngtcp2_conn *q,
                                                              uint8_t *out,
                                                              size_t len);

typedef void change_fn(ngtcp2_transport_params *p);

/* Of the next connection of the one end. */
static change_fn *change;
static bool of_opener;

/* The engine itself keeps to what it is: these are words alone. */
ngtcp2_ssize __wrap_ngtcp2_conn_encode_local_transport_params(ngtcp2_conn *q,
                                                              uint8_t *out,
                                                              size_t len)
{
    ngtcp2_transport_params said = *ngtcp2_conn_get_local_transport_params(q);
    change_fn *now = change;

    if (now == NULL || (ngtcp2_conn_is_server(q) == 0) != of_opener)
        return __real_ngtcp2_conn_encode_local_transport_params(q, out, len);
    change = NULL;
    now(&said);
    return ngtcp2_transport_params_encode(out, len, &said);
}

static void everything(ngtcp2_transport_params *p)
{
    p->initial_max_data = MOST;
    p->initial_max_stream_data_bidi_local = MOST;
    p->initial_max_stream_data_bidi_remote = MOST;
    p->initial_max_stream_data_uni = MOST;
    p->initial_max_streams_bidi = UINT64_C(1) << 60;
    p->initial_max_streams_uni = UINT64_C(1) << 60;
    p->active_connection_id_limit = MOST;
}

static void no_data(ngtcp2_transport_params *p)
{
    p->initial_max_data = 0;
}

static void no_stream_data(ngtcp2_transport_params *p)
{
    p->initial_max_stream_data_bidi_remote = 0;
}

static void no_answer_data(ngtcp2_transport_params *p)
{
    p->initial_max_stream_data_bidi_local = 0;
}

static void no_streams(ngtcp2_transport_params *p)
{
    p->initial_max_streams_bidi = 0;
}

static void late_acks(ngtcp2_transport_params *p)
{
    p->ack_delay_exponent = 20;
    p->max_ack_delay = 16383 * NGTCP2_MILLISECONDS;
}

static void impatience(ngtcp2_transport_params *p)
{
    p->max_idle_timeout = NGTCP2_MILLISECONDS;
}

static void patience(ngtcp2_transport_params *p)
{
    p->max_idle_timeout = MOST / NGTCP2_MILLISECONDS * NGTCP2_MILLISECONDS;
}

static void small_packets(ngtcp2_transport_params *p)
{
    p->max_udp_payload_size = 1200;
}

static void tiny_packets(ngtcp2_transport_params *p)
{
    p->max_udp_payload_size = 1;
}

static void huge_packets(ngtcp2_transport_params *p)
{
    p->max_udp_payload_size = MOST;
    p->max_datagram_frame_size = MOST;
}

static void stays(ngtcp2_transport_params *p)
{
    p->disable_active_migration = 1;
}

/* What is sent to it then is of no form that is known here. */
static void greases(ngtcp2_transport_params *p)
{
    p->grease_quic_bit = 1;
}

static void few_ids(ngtcp2_transport_params *p)
{
    p->active_connection_id_limit = 2;
}

static void is_elsewhere(ngtcp2_transport_params *p)
{
    p->preferred_addr_present = 1;
    p->preferred_addr.ipv4_present = 1;
    p->preferred_addr.ipv4.sin_family = AF_INET;
    p->preferred_addr.ipv4.sin_port = 1;
    p->preferred_addr.cid.datalen = STREAM_ID_BYTES;
    memset(p->preferred_addr.cid.data, 7, STREAM_ID_BYTES);
}

static void is_somebody_else(ngtcp2_transport_params *p)
{
    p->original_dcid.data[0] ^= 1;
}

static const struct absurd {
    const char *what;
    change_fn *change;
    bool acceptor_fails, opener_fails; /* when this end says it */
} absurd[] = {
    {"allows everything", everything, false, false},
    {"allows no data", no_data, true, false},
    {"allows no data of a stream", no_stream_data, true, false},
    {"allows no data back", no_answer_data, true, true},
    {"allows no streams", no_streams, true, false},
    {"late acks", late_acks, false, false},
    {"gives up at once", impatience, false, false},
    {"never gives up", patience, false, false},
    {"small packets", small_packets, false, false},
    {"tiny packets", tiny_packets, true, true},
    {"huge packets", huge_packets, false, false},
    {"does not move", stays, false, false},
    {"greases", greases, true, false},
    {"few ids", few_ids, true, false},
    {"is elsewhere", is_elsewhere, true, false},
    {"is somebody else", is_somebody_else, true, false},
};

static void try(const struct absurd *a, bool opener)
{
    struct stream_config config;
    struct world *w;
    struct flow *f, *g;

    print_message("%s %s\n", opener ? "opener" : "acceptor", a->what);
    stream_config_init(&config);
    config.rest_time = 10 * TIME_S;
    w = world_new(9, &config);
    w->like.echo = true;
    change = a->change;
    of_opener = opener;

    g = world_flow(w, world_connect(w, 1), 300000);
    world_run(w, 200 * TIME_MS);
    f = world_flow(w, world_connect(w, 2), 300000);
    f->seed_in = f->seed;
    assert_true(world_until(w, &f->fin, 20 * TIME_S));
    assert_false(f->wrong);
    world_run(w, 30 * TIME_S);
    assert_null(change);
    for (unsigned i = 0; i < 2; i++)
        assert_true(streams_stats(w->side[i].s)->memory < 2 << 20);
    print_message("  %s, %" PRIu64 " bytes came back\n",
                  g->fin ? "done" : "not done", g->in);
    assert_int_equal(g->fin, !(opener ? a->opener_fails : a->acceptor_fails));
    world_free(w);
}

static void test_stream_params_absurd(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(absurd); i++) {
        try(&absurd[i], false);
        if (absurd[i].change != is_somebody_else &&
            absurd[i].change != is_elsewhere) /* which is not theirs to say */
            try(&absurd[i], true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_params_absurd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
