// Asks iam-simulate for the workload on standard input; says on standard output what it answers and how long it takes.
// `node iam_simulate.mjs FOLDER`: the folder into which npm installed @cloud-copilot/iam-simulate.
//
// Three ways in: its public function with documents as they are; the same with documents that it validated before; and
// its inner engine with documents loaded once and requests made ready, which no other program gets at.

import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const packages = join(resolve(process.argv[2]), 'node_modules', '@cloud-copilot')
const load = (...path) => import(pathToFileURL(join(packages, ...path)))
const { runSimulation } = await load('iam-simulate', 'dist', 'esm', 'index.js')
const { authorize } = await load('iam-simulate', 'dist', 'esm', 'core_engine', 'CoreSimulatorEngine.js')
const { AwsRequestImpl } = await load('iam-simulate', 'dist', 'esm', 'request', 'request.js')
const { RequestContextImpl } = await load('iam-simulate', 'dist', 'esm', 'requestContext.js')
const constraints = await load('iam-simulate', 'dist', 'esm', 'context_keys', 'discoveryContextKeyConstraints.js')
const policies = await load('iam-policy', 'dist', 'esm', 'index.js')
const version = JSON.parse(readFileSync(join(packages, 'iam-simulate', 'package.json'))).version

const PIECE = 20
const asked = JSON.parse(readFileSync(0, 'utf8'))

const named = (name, policy) => ({ name, policy })
const everything = [{ Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' }]
const fullAccess = { Version: '2012-10-17', Statement: everything }

function simulation(request, given) {
  return {
    request: {
      principal: request.principal,
      action: request.action,
      resource: { resource: request.resource, accountId: asked.account },
      contextVariables: request.context
    },
    identityPolicies: [named('identity', given.identity)],
    permissionBoundaryPolicies: [named('boundary', given.boundary)],
    serviceControlPolicies: given.scps.map((level, index) => ({
      orgIdentifier: `level-${index}`,
      policies: level.map((policy) => named('scp', policy))
    })),
    resourceControlPolicies: [{ orgIdentifier: 'level-0', policies: [] }],
    resourcePolicy: given.key_policy
  }
}

function validated(given) {
  const once = (policy, validate) => policies.createValidatedPolicy(policy, validate)
  return {
    identity: once(given.identity, policies.validateIdentityPolicy),
    boundary: once(given.boundary, policies.validateIdentityPolicy),
    key_policy: once(given.key_policy, policies.validateResourcePolicy),
    scps: given.scps.map((level) => level.map((policy) => once(policy, policies.validateServiceControlPolicy)))
  }
}

function ready(request, loaded) {
  const context = new RequestContextImpl(request.context)
  const resource = { resource: request.resource, accountId: asked.account }
  return { ...loaded, request: new AwsRequestImpl(request.principal, resource, request.action, context) }
}

function loadedOnce(given) {
  const once = (name, policy) => policies.loadPolicy(policy, { name })
  const level = (orgIdentifier, inside) => ({ orgIdentifier, policies: inside })
  return {
    identityPolicies: [once('identity', given.identity)],
    permissionBoundaries: [once('boundary', given.boundary)],
    serviceControlPolicies: given.scps.map((inside, index) => level(`l${index}`, inside.map((each) => once('scp', each)))),
    resourceControlPolicies: [level('l0', [once('full', fullAccess)])],
    resourcePolicy: once('key', given.key_policy),
    simulationParameters: {
      simulationMode: 'Strict',
      discoveryContextKeyConstraints: new constraints.DiscoveryContextKeyConstraints([])
    }
  }
}

// Microseconds since `start`: by the clock or of the processor, whichever is less. The clock runs while others have the
// processor, and Node's processor time counts its helping threads.
const begin = () => ({ clock: performance.now(), processor: process.cpuUsage() })
function since(start) {
  const { user, system } = process.cpuUsage(start.processor)
  return Math.min((performance.now() - start.clock) * 1000, user + system)
}

// The least time of each piece of the requests over several passes, as our own figures are taken.
async function time(items, answer) {
  const best = []
  let answers = []
  for (let pass = 0; pass < asked.passes; pass++) {
    answers = []
    for (let at = 0; at < items.length; at += PIECE) {
      const start = begin()
      for (const item of items.slice(at, at + PIECE)) answers.push(await answer(item))
      const taken = since(start)
      best[at / PIECE] = Math.min(best[at / PIECE] ?? Infinity, taken)
    }
  }
  return { microseconds: best.reduce((sum, each) => sum + each, 0) / items.length, answers }
}

const simulate = async (item) => {
  const found = await runSimulation(item, {})
  if (found.resultType === 'error') throw new Error(JSON.stringify(found.errors))
  return found.overallResult
}
const authorizeNow = (item) => authorize(item).result

const plain = asked.requests.map((request) => simulation(request, asked.policies))
const checked = validated(asked.policies)
const validatedBefore = asked.requests.map((request) => simulation(request, checked))
const loaded = loadedOnce(asked.policies)
const made = asked.requests.map((request) => ready(request, loaded))

const ways = {
  'runSimulation': await time(plain, simulate),
  'runSimulation, policies validated before': await time(validatedBefore, simulate),
  'inner engine, policies loaded once': await time(made, authorizeNow)
}
for (const way of Object.values(ways)) way.answers = way.answers.map((result) => result === 'Allowed')
process.stdout.write(JSON.stringify({ version, ways }))
