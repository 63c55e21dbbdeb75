// An hour of a busy host, the same each time: the answer of /me/history for pictures.
// The values of the machine that makes the pictures are left out.
const listen = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (type, ...rest) {
  if (type !== 'point') listen.call(this, type, ...rest);
};
const real = window.fetch;
window.fetch = (path, options) => {
  if (!String(path).startsWith('me/history')) return real(path, options);
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const wave = (base, swing, noise, phase) => Array.from({ length: 360 }, (_, i) =>
    Math.max(0, base + swing * Math.sin(i / 45 + phase) + noise * (random() - 0.5) + (i > 200 && i < 240 ? swing : 0)));
  const start = Math.floor(Date.now() / 1000) - 3600;
  const series = (name, tags, values) => ({ name, tags: { host: 'web1.example.org', ...tags }, interval: 10, start, values });
  return Promise.resolve(new Response(JSON.stringify({ series: [
    series('cpu.user', {}, wave(22, 9, 6, 0)), series('cpu.system', {}, wave(7, 2, 2, 1)), series('cpu.iowait', {}, wave(2, 1, 2, 2)),
    series('mem.used.percent', {}, wave(61, 2, 0.4, 0)), series('mem.swap.used.percent', {}, wave(3, 0.2, 0, 0)),
    series('cpu.loadavg.1', {}, wave(2.4, 0.8, 0.4, 0)), series('cpu.loadavg.5', {}, wave(2.2, 0.5, 0.1, -0.3)), series('cpu.loadavg.15', {}, wave(2.1, 0.2, 0.05, -0.6)),
    series('disk.io.util', { device: 'nvme0n1' }, wave(18, 8, 9, 1)), series('disk.io.util', { device: 'nvme1n1' }, wave(6, 3, 4, 2)),
    series('disk.io.read_bytes', { device: 'nvme0n1' }, wave(9e6, 4e6, 5e6, 1)), series('disk.io.write_bytes', { device: 'nvme0n1' }, wave(21e6, 8e6, 9e6, 0)),
    series('net.in', { interface: 'eth0' }, wave(310e6, 90e6, 60e6, 0)), series('net.out', { interface: 'eth0' }, wave(120e6, 40e6, 25e6, 0.4)),
    series('fs.space.used.percent', { mount: '/' }, wave(48, 0, 0, 0)), series('fs.space.used.percent', { mount: '/var' }, wave(71, 0.5, 0, 0)),
  ] })));
};
