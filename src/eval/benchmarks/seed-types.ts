/** SEED-Bench's types of question by their number, from 1. Source: SEED-Bench.json, "question_type". */
export const SEED_TYPES: readonly string[] = [
  'Scene Understanding',
  'Instance Identity',
  'Instance Attributes',
  'Instance Location',
  'Instances Counting',
  'Spatial Relation',
  'Instance Interaction',
  'Visual Reasoning',
  'Text Understanding',
  'Action Recognition',
  'Action Prediction',
  'Procedure Understanding',
]
