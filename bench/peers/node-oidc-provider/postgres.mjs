// Persistent storage adapter for oidc-provider on PostgreSQL: npm pg, a pool, named prepared statements.
// Where the server is, PGHOST, PGUSER and PGDATABASE say. The table is the one of sqlite.mjs; so is what each method does.
import pg from 'pg';

const GRANTABLE = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken', 'DeviceCode',
  'BackchannelAuthenticationRequest']);

export async function open() {
  const pool = new pg.Pool({ max: 10, idleTimeoutMillis: 0 });
  await pool.query(`DROP TABLE IF EXISTS kv;
    CREATE TABLE kv (
      id TEXT PRIMARY KEY, payload TEXT NOT NULL, grant_id TEXT, uid TEXT, user_code TEXT,
      consumed INTEGER, expires INTEGER);
    CREATE INDEX kv_grant ON kv(grant_id) WHERE grant_id IS NOT NULL;
    CREATE INDEX kv_uid ON kv(uid) WHERE uid IS NOT NULL;
    CREATE INDEX kv_code ON kv(user_code) WHERE user_code IS NOT NULL;`);
  const now = () => Math.floor(Date.now() / 1000);
  const ready = (name, text) => (...values) => pool.query({ name, text, values });
  const put = ready('put', `INSERT INTO kv (id, payload, grant_id, uid, user_code, expires)
      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT(id) DO UPDATE SET payload = excluded.payload,
      grant_id = excluded.grant_id, uid = excluded.uid, expires = excluded.expires`);
  const live = 'AND (expires IS NULL OR expires > $2)';
  const byId = ready('byId', `SELECT payload, consumed FROM kv WHERE id = $1 ${live}`);
  const byUid = ready('byUid', `SELECT payload, consumed FROM kv WHERE uid = $1 ${live}`);
  const byCode = ready('byCode', `SELECT payload, consumed FROM kv WHERE user_code = $1 ${live}`);
  const mark = ready('mark', 'UPDATE kv SET consumed = $1 WHERE id = $2');
  const del = ready('del', 'DELETE FROM kv WHERE id = $1');
  const delGrant = ready('delGrant', 'DELETE FROM kv WHERE grant_id = $1');
  const out = ({ rows: [row] }) => row
    && { ...JSON.parse(row.payload), ...(row.consumed ? { consumed: row.consumed } : {}) };

  return class PostgresAdapter {
    constructor(name) { this.name = name; }
    key(id) { return `${this.name}:${id}`; }
    async upsert(id, payload, expiresIn) {
      await put(this.key(id), JSON.stringify(payload),
        GRANTABLE.has(this.name) ? payload.grantId ?? null : null,
        this.name === 'Session' ? payload.uid : null, payload.userCode ?? null,
        expiresIn ? now() + expiresIn : null);
    }
    async find(id) { return out(await byId(this.key(id), now())); }
    async findByUid(uid) { return out(await byUid(uid, now())); }
    async findByUserCode(code) { return out(await byCode(code, now())); }
    async consume(id) { await mark(now(), this.key(id)); }
    async destroy(id) { await del(this.key(id)); }
    async revokeByGrantId(grantId) { await delGrant(grantId); }
  };
}
